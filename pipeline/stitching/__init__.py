"""From the facts of customers to visits, journeys and pain points. Columnar and pure."""
