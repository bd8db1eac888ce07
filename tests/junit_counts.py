"""Prints "passed failed skipped" of a JUnit XML file."""
import sys
import xml.etree.ElementTree as xml

total = failed = skipped = 0
for suite in xml.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(suite.get("tests"))
    failed += int(suite.get("failures")) + int(suite.get("errors"))
    skipped += int(suite.get("skipped"))
print(max(0, total - failed - skipped), failed, skipped)
