"""On which test items an arm gains and on which it loses."""
