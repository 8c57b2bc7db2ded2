"""Files over FTP in TLS: a server for partners' clients, and a client for partners' servers."""
