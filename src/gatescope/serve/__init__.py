"""What leaves the house: networks in the formats of other programs."""
