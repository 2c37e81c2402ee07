"""The tables and figures of the papers, each a declared sweep and a renderer. `catalogue` lists them."""
