"""Front-ends of other toolkits, each a feature type of its own: one file each, their options in `options`."""
