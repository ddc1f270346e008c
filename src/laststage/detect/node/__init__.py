"""Node apps: how they are built, and how they start without npm or a shell."""
