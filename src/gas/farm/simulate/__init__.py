"""``gas simulate``: the elastic farm by simulation, on the policy that the supervisor runs.

loop.py         simulated time
farms.py        instances and their load, web and annotators
scalers.py      who decides: one machine (gas.farm.policy), AWS, Kubernetes
original.py     the original's alarms, fitted to what its reports measured
experiments.py  the original's two experiments, on each platform
protection.py   10,000 scale-ins against workers that are always taking jobs
capacity.py     1,000 annotators and 10 million jobs a day
queues.py       how long mail, commits and the object store keep requests waiting then
report.py       tables, pictures, docs/scaling.md (its words: scaling.md here);  svg.py draws
"""
