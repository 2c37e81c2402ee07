"""Reports: static HTML from run directories. Nothing here computes a metric."""
