"""Reports: `report.html` of a run, and a page that compares several, made from what runs have saved alone."""
