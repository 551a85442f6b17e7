"""Programs of the AD lab that the system's own Python runs, since Samba's bindings live there; nothing imports them."""
