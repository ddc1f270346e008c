"""What servers in Node and sites that Node builds have in common."""
