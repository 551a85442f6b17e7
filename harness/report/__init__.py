"""What a run has shown, for people and for machines: page, figures, JSON, JUnit, Markdown and terminal."""
