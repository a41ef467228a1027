"""What stands around a core that is one of several: its links' words, its clock domains, its failure."""
