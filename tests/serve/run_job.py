"""One run of a job over a scripted examiner, for tests that kill it: run_job.py IN OUT [LANES]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scripted import Examining

from morelli.data_pipeline.images import Limits
from morelli.serve.inputs import inputs_of
from morelli.serve.job import Job, Shard
from morelli.serve.lanes import Way

if __name__ == "__main__":
    given, out = sys.argv[1], Path(sys.argv[2])
    way = Way(lanes=int(sys.argv[3]) if sys.argv[3:] else 1)
    job = Job(out, {"model": "scripted"}, Shard())
    job.run(Examining(), inputs_of(given, Limits()), Limits(), lambda outcome: None, way)
