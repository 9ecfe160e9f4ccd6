"""What each kind of ToolHive says that is said otherwise here, one module for each; all else is the same or unknown."""
