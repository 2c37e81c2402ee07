"""Many runs at once, and the papers' tables and figures made from them."""
