"""Files that people attach to records: metadata and checksum in the database, content in a store behind a port."""
