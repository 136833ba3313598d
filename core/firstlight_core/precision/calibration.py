"""The built-in questions of the calibrated INT4, and their limits."""

TOKENS = 4_096
"""Tokens that the weights are rounded on, answers included; a few more where the last answer ends."""

TALKS = 24
"""Talks of the built-in text."""
BUILT_IN_TOKENS = 1_600
"""About the tokens of the built-in text, for estimates."""
LONGEST_ANSWER = 160
"""Tokens of one answer of the original."""


QUESTIONS: tuple[str, ...] = (
    "Explain how plants make food from light.",
    "Write a polite email that moves a meeting to next week.",
    "What is the difference between a noun and a verb?",
    "List five animals that live in water.",
    "How do I boil an egg so that the yolk stays soft?",
    "Tell me something about the history of bread.",
    "Summarise in one sentence: The train was late because snow had covered the rails.",
    "Write four lines about rain on a roof.",
    "What does a computer do with zeros and ones?",
    "Translate into French: Where is the train station, please?",
    "Why should people sleep enough?",
    "Give me a simple recipe for pancakes.",
    "Which planet is the largest, and how large is it?",
    "How does a bicycle stay upright?",
    "Describe a market on a summer morning.",
    "Write a Python function that adds up the numbers of a list.",
    "What causes the tides?",
    "Compare trains and planes for a short trip.",
    "Explain gravity to a six-year-old child.",
    "Answer as JSON with the keys name and age: Anna is 31 years old.",
    "What should I check before I buy a used car?",
    "Continue the story: The door opened, and nobody was there.",
    "How many minutes are in three and a half hours?",
    "Name three causes of inflation and explain one of them.",
)
"""Varied in subject, length and form; none of them is among the prompts that drift is measured on."""
