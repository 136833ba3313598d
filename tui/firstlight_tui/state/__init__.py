"""The state of the wizard: session, work, conversations, settings; nothing here paints."""
