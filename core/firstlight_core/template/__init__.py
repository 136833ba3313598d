"""Step 5: the prompt template: derive it, prove it token by token, settle it."""
