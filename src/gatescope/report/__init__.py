"""Drawing of plain data: terminal tables, HTML pages, charts. Knows nothing of the rest."""
