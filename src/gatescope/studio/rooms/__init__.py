"""The rooms of the studio, each a page or two with addresses of their own."""
