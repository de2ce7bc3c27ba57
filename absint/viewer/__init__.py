"""`absint view`: a page on this machine that shows a model, what is left of it where, and what each pass did.

`source` reads the model and watches its file, `drawing` draws its pictures, `session` holds what is shown,
`studies` answers questions about it, `server` speaks HTTP to those whom `admission` lets in, `connections`
bounds how many, `page/` is what the browser runs.
"""
