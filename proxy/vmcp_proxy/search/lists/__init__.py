"""What is listed in place of many tools, and what stands behind that; pure but for what it remembers."""
