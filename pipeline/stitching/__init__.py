"""From the facts of whole customers to visits, journeys and pain points: columnar and pure, no input or output."""
