"""The posture of an opened hub: its facts gathered, the rules run over them, and what comes of it kept and shown.

gather      the facts of a hub, of which only what changed is made anew
work        one process's engine: run, settle, suppress, approve
report      what a run found, joined with what is remembered, for people and programs
fixes       a finding's fix as a plan, and put in force
"""
