"""A stand-in for the API of AWX 24: it stores objects, and refuses what AWX refuses.

refusals.json has 33 objects that were sent to a running AWX, with its verdicts; options.json has its OPTIONS of 23
endpoints. The stub is held to both. It starts no job: the progress of workflows, approvals and updates is not in it.
ruleset_schema.json is the schema of rulebooks as ansible-rulebook 1.3.2 has it (Apache License 2.0).
"""
