"""One run of a job over a scripted examiner, for tests that kill it: run_job.py IN OUT [I/N]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scripted import Examining

from morelli.data_pipeline.images import Limits
from morelli.serve.inputs import inputs_of
from morelli.serve.job import Job, Shard

if __name__ == "__main__":
    given, out = sys.argv[1], Path(sys.argv[2])
    number, of = (int(part) for part in (sys.argv[3:] or ["1/1"])[0].split("/"))
    job = Job(out, {"model": "scripted"}, Shard(number, of))
    job.run(Examining(), inputs_of(given, Limits()), Limits(), lambda outcome: None)
