"""The specification of HH/1, made from what the hub runs on: schemas, AsyncAPI, the page.

`artefacts.made(examples)` gives every generated file as text. Nothing here is needed to run a hub.
"""
