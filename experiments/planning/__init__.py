"""What a command will do, before it does it: its runs, searches and looks, and how long they take."""
