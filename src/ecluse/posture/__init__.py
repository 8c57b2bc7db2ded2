"""What is weak in a hub, why it matters, and the fix: rules over facts, explained and remembered.

A rule is data with a stable code and one small function. It is given facts, frozen, that :mod:`ecluse.app` gathered,
and gives what it hit. Nothing here reads a clock, a file or a socket; records are read and written through the store's
port. What was looked at once is not looked at again until it changes, or until a moment passes that a rule asked about.

    facts       what the rules look at
    rule        a rule, what it hits, the fix as edits of configuration files
    looks       rules that look at one field
    rules/      the rules, one module for each domain
    engine      rules over facts, remembered by subject
    grade       points and letters, with the arithmetic
    reach       who depends on what was found
    keeping     findings, suppressions and history as records
    baseline    the approved state, and what drifted from it
    edits       a fix, put into the text of a TOML file
    finding     a finding as it is shown
    sarif, page the report for pipelines and for people
"""
