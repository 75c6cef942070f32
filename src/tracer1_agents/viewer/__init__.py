"""A person looks: each forecast against what happened.

`episodes` says what is looked at, `plain` makes untrusted text harmless, `terminal` prints. `page_data` turns runs into
the JSON of a page, `pictures` takes in their screenshots, `html` writes the page as one file, `server` shows it while a
run grows; `page/` holds its markup, style and script. Nothing here runs an agent or reads a run file.
"""
