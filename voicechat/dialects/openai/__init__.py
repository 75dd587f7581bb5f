"""OpenAI's Realtime protocol and its relatives: GA, Beta, and DashScope's variations of Beta."""
