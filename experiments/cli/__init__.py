"""The command ``mmstudy``: its verbs, their options, and what they print."""
