"""sin, cos, tan, asin, acos, atan, atan2, exp and ln: one algorithm each, in basic operations."""
