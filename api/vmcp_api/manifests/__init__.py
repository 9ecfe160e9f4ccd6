"""From YAML documents to checked resources, with a problem for each fault: file, line, path, remedy."""
