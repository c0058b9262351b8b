"""The people of a tenant as every service knows them: who is suspended, and what the roles of the others allow."""
