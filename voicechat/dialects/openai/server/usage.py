"""What an answer took, as `response.done` tells it."""

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.session import Session
from voicechat.realtime import events as ev


def usage_shape(usage: ev.Usage, session: Session) -> Json:
    if session.dashscope:
        tokens = {"text_tokens": usage.input_text_tokens, "audio_tokens": usage.input_audio_tokens}
        spoken = {"text_tokens": usage.output_text_tokens, "audio_tokens": usage.output_audio_tokens}
        return {
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "input_tokens_details": tokens,
            "output_tokens_details": spoken,
        }
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_text_tokens,
            "audio_tokens": usage.input_audio_tokens,
            "image_tokens": usage.input_image_tokens,
            "cached_tokens": usage.cached_tokens,
            "cached_tokens_details": {
                "text_tokens": usage.cached_text_tokens,
                "audio_tokens": usage.cached_audio_tokens,
                "image_tokens": usage.cached_image_tokens,
            },
        },
        "output_token_details": {
            "text_tokens": usage.output_text_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }
