"""Pure statistics: from attempts to blocks, from blocks to differences with bounds that hold at every look."""
