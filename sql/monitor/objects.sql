-- What is locked that is no relation: schemas, types, functions, roles, databases.
SELECT o.classid, o.objid, pg_describe_object(o.classid, o.objid, 0) AS name
FROM unnest(%(classes)s::oid[], %(objects)s::oid[]) AS o (classid, objid)
