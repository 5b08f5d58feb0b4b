"""The Faust app: transport, LAND, STITCH. The only package that knows Faust."""
