"""What runs inside a sandbox: standard library only, copied in file by file, never imported by the host.

Inside, these files lie in a folder of the same dotted name, so that they import each other as they do here.
"""
