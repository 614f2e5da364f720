"""`duka demo`: the whole product and a pretend town on one machine, and a purchase played like a person would."""
