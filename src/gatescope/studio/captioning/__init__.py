"""What the room of captions is made of: opened captioners, photos, and how both are shown."""
