"""What the companion is asked, as a JSGF grammar for the recogniser.

A grammar this small is understood far better than open speech; the recogniser runs it beside the open model and
chooses between the two. Words must be in the model's dictionary (CMU, American spelling, lower case).
"""

_NAMES = """
adam alan albert alex alice amanda amy andrea andrew angela anna anne anthony barbara ben benjamin betty bob
brian carl carol catherine charles charlie chris christina claire daniel dave david deborah diana donald
dorothy edward elena elizabeth emily emma eric erica eva felix frank gary george grace hannah harry helen
henry howard jack jacob james jane janet jason jeff jennifer jenny jessica jim joan joe john jonathan joseph
julia julie karen kate katherine keith kelly kevin kim laura lawrence leo linda lisa louis lucy luke margaret
maria mark martha martin mary matthew max megan michael michelle mike monica nancy natalie nathan nick nicole
nina olivia oscar pamela patricia patrick paul peter philip rachel rebecca richard robert roger ronald rose
ruth ryan sam samuel sandra sara sarah scott sharon simon sofia sophia sophie stephanie stephen steve steven
susan thomas tim tina tom tony victor victoria vincent walter wendy william
"""
NAMES = tuple(_NAMES.split())

PHRASES = (
    "hello",
    "hi",
    "hello there",
    "hi there",
    "good morning",
    "good afternoon",
    "good evening",
    "how are you",
    "how are you today",
    "how are you doing",
    "what time is it",
    "what time is it now",
    "what's the time",
    "what is the time",
    "tell me the time",
    "do you know what time it is",
    "can you tell me the time",
    "what day is it",
    "what day is it today",
    "what day is today",
    "what is the date",
    "what is the date today",
    "what's the date",
    "what's the date today",
    "what is today's date",
    "what's today's date",
    "what year is it",
    "what month is it",
    "tell me the date",
    "what is my name",
    "what's my name",
    "do you know my name",
    "do you remember my name",
    "who am i",
    "what is your name",
    "what's your name",
    "do you have a name",
    "who are you",
    "what are you",
    "are you human",
    "are you a human",
    "are you a robot",
    "are you a computer",
    "are you a real person",
    "are you a language model",
    "are you intelligent",
    "tell me about yourself",
    "how do you work",
    "what can you do",
    "what can i ask you",
    "what can i say",
    "help",
    "help me",
    "can you help me",
    "thank you",
    "thank you very much",
    "thanks",
    "thanks a lot",
    "bye",
    "goodbye",
    "bye bye",
    "good night",
    "see you",
    "see you later",
    "yes",
    "no",
    "okay",
    "stop",
    "be quiet",
    "can you hear me",
    "do you understand me",
    "nice to meet you",
    "tell me a joke",
)

_RULES = """
<digit> = one | two | three | four | five | six | seven | eight | nine;
<teen> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen | nineteen;
<tens> = twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety;
<small> = <digit> | <teen> | <tens> | <tens> <digit>;
<number> = zero | <small> | (a | one) hundred | <digit> hundred [[and] <small>] | (a | one) thousand
    | <small> point <digit>;
<operator> = plus | minus | times | multiplied by | divided by;
<sum> = <number> <operator> <number> [<operator> <number>];
<arithmetic> = [what is | what's | how much is | calculate] <sum>
    | what is the square root of <number> | what is <number> squared | what is <number> percent of <number>;
<naming> = (my name is | call me | i am) <name>;
"""


_NAMING = ("my name is", "call me", "i am")
_OPERATIONS = {"plus", "minus", "times", "by", "squared", "percent", "root"}
_NEVER_LAST = {"plus", "minus", "times", "by", "point", "and", "a", "of", "root", "what", "is", "multiplied", "divided"}


def is_complete(text: str) -> bool:
    """Whether `text` is a whole utterance of the grammar: the recogniser also returns unfinished paths."""
    if text in PHRASES:
        return True
    words = text.split()
    if len(words) < 2 or words[-1] in _NEVER_LAST:
        return False
    if words[-1] in NAMES:
        return " ".join(words[:-1]) in _NAMING
    return len(words) >= 3 and not _OPERATIONS.isdisjoint(words)


def companion_grammar() -> str:
    """The companion's phrases in JSGF, for `Decoder.add_jsgf_string`."""
    return (
        "#JSGF V1.0;\ngrammar companion;\npublic <utterance> = <phrase> | <arithmetic> | <naming>;\n"
        f"<phrase> = {' | '.join(PHRASES)};\n<name> = {' | '.join(NAMES)};\n{_RULES}"
    )
