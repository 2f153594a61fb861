"""What is run by hand, with a package that is no dependency, is not collected."""

collect_ignore = ["fuzz_atheris.py"]
