"""`absint view`: a local page that shows a model, the operations left in each part of it, and the effect of
each pass.

`source` reads the model and watches its file; `drawing` draws its pictures; `session` holds the state that
pages show; `studies` answers requests about the model; `server` speaks HTTP; `admission` authorises requests;
`connections` limits the number of connections; `page/` is the browser's code.
"""
