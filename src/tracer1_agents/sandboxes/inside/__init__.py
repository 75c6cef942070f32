"""What runs inside a sandbox: standard library only, copied in file by file, never imported by the host.

Inside, these files lie in a folder of the same dotted name, so that they import each other as they do here.

They keep to modules written in C and to `os`: `json`, `re`, `typing`, `pathlib`, `traceback` and `threading` together
take longer to load than the interpreter itself, and would be most of a cold start. What is needed rarely is imported
where it is needed; a test counts what a start has loaded.
"""
