"""How this node's outputs go into other people's nodes: topics, class files, launch pieces (docs/integrations.md)."""
