"""What the wizard knows: session, work, conversation, settings; nothing here paints."""
