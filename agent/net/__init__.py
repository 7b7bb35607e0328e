"""HTTP, its sockets and sign-on, and mail: what several parts speak, each library in one file."""
