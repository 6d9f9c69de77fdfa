"""ForgeryVLM, its processor and checkpoints, and the Examiner that turns a picture into a report.

Nothing is imported here, so that `morelli --help` and `morelli pull` stay quick:
`from morelli.model.examiner import Examiner`.
"""
