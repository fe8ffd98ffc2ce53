"""The process and its machine: what it prints, its cores, its device, the versions of its code and packages."""
