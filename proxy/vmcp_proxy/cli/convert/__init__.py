"""`vmcp convert`: manifests of ToolHive as ours, and whether two endpoints serve the same."""
