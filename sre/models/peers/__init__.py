"""Models of other toolkits under the names of our weights (`sre import`): one file each, and what they share."""
